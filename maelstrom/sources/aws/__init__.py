"""The only files that know boto3: clients, what its errors mean, the calls of each service."""
