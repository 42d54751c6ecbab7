"""Circuit execution: exact density matrices for small circuits, stabilizers for Clifford circuits on larger ones."""
