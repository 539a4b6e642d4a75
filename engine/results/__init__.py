"""What came of each instance of a batch, and what all of them come to."""
