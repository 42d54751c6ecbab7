"""HTTP: one router per section of the API reference. The only package that knows status codes and bodies."""
