// Included before Verilator's runtime: a file that RTL names without a folder lies where qtwin_set_files says, not in
// the folder that the program happens to run in.
#include <cstdio>
namespace std {
FILE* qtwin_fopen(const char* path, const char* mode);
}
using std::qtwin_fopen;
#define fopen qtwin_fopen
