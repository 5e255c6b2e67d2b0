"""How well learners train networks, scored alike for all."""
