"""QUBOs and programs in the forms of other packages, and back."""
