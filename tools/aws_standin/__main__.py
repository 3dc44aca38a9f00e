from tools.aws_standin.server import main

main()
