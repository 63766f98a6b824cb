"""File formats that the kit reads on the user's machine and the image reads inside. Imports neither of them."""
