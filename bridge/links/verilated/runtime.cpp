// What Verilator's runtime leaves to its user: where files lie, and what happens when a simulation cannot go on.
//
// Verilator's own functions print and abort the process. Here the trouble is kept for qtwin_trouble, and an exception
// ends what is being simulated; the harness lets none of them out.
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

namespace {

std::string files_folder;
std::string trouble;
std::string told;  // what the last qtwin_trouble returned

std::string described(const char* file, int line, const char* message) {
    std::string text;
    if (file != nullptr && *file != '\0') text = std::string(file) + (line > 0 ? ":" + std::to_string(line) : "") + ": ";
    return text + message;
}

void note(const std::string& text) { trouble += trouble.empty() ? text : "\n" + text; }

}  // namespace

namespace std {

// Called by the runtime in place of fopen: files.h.
FILE* qtwin_fopen(const char* path, const char* mode) {
    if (mode[0] != 'r' || files_folder.empty()) return fopen(path, mode);
    if (path[0] == '/' || std::strncmp(path, "../", 3) == 0 || std::strstr(path, "/../") != nullptr) {  // no build and no report knows of such data
        note(std::string("the RTL reads ") + path + ", which is none of the decoder's `files`");
        return nullptr;
    }
    return fopen((files_folder + "/" + path).c_str(), mode);
}

}  // namespace std

// Each also takes the instance's path, which says less than the file.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    note(described(file, line, message));
    throw std::runtime_error(trouble);
}

void vl_stop(const char* file, int line, const char*) {
    note(described(file, line, "the RTL calls $stop, $fatal or $error"));
    throw std::runtime_error(trouble);
}

void vl_warn(const char* file, int line, const char*, const char* message) {
    const std::string text = described(file, line, message);
    if (std::strstr(message, "$readmem") != nullptr) {
        note(text);
    } else {
        std::fprintf(stderr, "%%Warning: %s\n", text.c_str());
    }
}

extern "C" {

// Folder of the data files that the design reads; before qtwin_open.
void qtwin_set_files(const char* folder) { files_folder = folder; }

// What went wrong since the last call; null where nothing did.
const char* qtwin_trouble() {
    if (trouble.empty()) return nullptr;
    told.swap(trouble);
    trouble.clear();
    return told.c_str();
}

}  // extern "C"
