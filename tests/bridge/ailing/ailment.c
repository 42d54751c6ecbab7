/* The number of the ailment that a decoder falls ill with, read when it is powered on; and a crash. */
#include <stdlib.h>

int qtwin_ailment(void) {
    const char *text = getenv("QTWIN_AILMENT");
    return text == NULL ? 0 : atoi(text);
}

int qtwin_crash(void) { abort(); }
