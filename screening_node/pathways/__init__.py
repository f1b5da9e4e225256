"""One folder for each kind of exam that the node can judge; ``base`` is what they have in common."""
