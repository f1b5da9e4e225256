"""Torch modules that more than one pathway uses: backbones, normalisation, the transformer encoder."""
