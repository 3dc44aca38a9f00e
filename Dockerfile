# The daemon in a container (target `node`), and the AWS stand-in for trying it out (target `standin`).
ARG BASE=python:3.12-slim

FROM ${BASE} AS node
WORKDIR /opt/maelstrom/source
RUN python3 -m venv /opt/maelstrom
ENV PATH=/opt/maelstrom/bin:$PATH PYTHONUNBUFFERED=1
COPY requirements/run.txt requirements/demo.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY maelstrom maelstrom
COPY migrations migrations
RUN pip install --no-cache-dir --no-deps . && mkdir -p /var/lib/maelstrom
EXPOSE 80 8374
STOPSIGNAL SIGTERM
ENTRYPOINT ["maelstromd"]

FROM node AS standin
RUN pip install --no-cache-dir --require-hashes -r requirements/demo.txt
COPY tools tools
EXPOSE 4566
ENTRYPOINT ["python3", "-m", "tools.aws_standin"]
