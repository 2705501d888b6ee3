"""Tools of the book's house: what executes and builds it, not what its chapters import."""
