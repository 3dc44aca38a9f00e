"""`python -m tools.aws_standin`."""

from tools.aws_standin.server import main

main()
