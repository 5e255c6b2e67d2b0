"""What an agent of each family sees and does: the vocabulary that worlds and learners share."""
