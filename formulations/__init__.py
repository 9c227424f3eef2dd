"""Problems as programs, one file each; a file's name is the formulation's public name."""
