"""From a detector error model to a synthesizable decoder."""
