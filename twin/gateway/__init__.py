"""The gateway: login, tokens, roles, and the way to the twin. The only package that knows JWT and passwords."""
