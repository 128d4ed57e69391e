"""What the documentation shows is run as it is written, so that none of it is decoration."""
