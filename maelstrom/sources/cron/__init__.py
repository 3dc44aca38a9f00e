"""What nobody pulls: runs by schedule, planned by the one node that has the role, worked where they were begun."""
