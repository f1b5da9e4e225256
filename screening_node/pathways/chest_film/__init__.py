"""The chest-film pathway: gate, landmarks, oriented crops, attentive multi-ROI estimate (Wang et al. 2022)."""
