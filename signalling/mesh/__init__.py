"""The words nodes say to each other: by gossip to make a link, and over the link for all else."""
