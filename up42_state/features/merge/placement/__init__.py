"""Where the files of added features go."""
