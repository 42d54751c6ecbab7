"""The adaptive loop: error probabilities re-estimated from the syndromes, weights of the running decoder renewed."""
