"""Looking at NCAs: frames, videos and the terminal."""
