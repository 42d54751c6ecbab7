#define INVERTED 0
