"""How the node names itself in the DICOM objects that it makes, and knows them when they come back."""

MANUFACTURER = "Screening Node Project"
MODEL_NAME = "screening-node"
