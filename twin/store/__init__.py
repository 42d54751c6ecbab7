"""Persistence: the tables, one database handle with group commit, and one file of statements per table group."""
