"""What all samplers share: from samples to judged answers."""
