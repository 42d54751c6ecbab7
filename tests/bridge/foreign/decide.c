#include "decide.h"

int decide(int events) {
    return (__builtin_parity(events & 0xaa) && !__builtin_parity(events & 0x55)) ^ INVERTED;
}
