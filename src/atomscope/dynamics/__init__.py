"""What moves and changes: drift, tracks, diffusion, transitions, order against time."""
