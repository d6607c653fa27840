# docker build -f docs/install/gpu.Dockerfile -t vgg-cifar-gpu .
# docker run --rm --gpus all -v "$PWD:/here" vgg-cifar-gpu train -d 0 -o runs/first
# CUDA's libraries come as wheels; of the host, only NVIDIA's driver is needed.
FROM python:3.12-slim
COPY . /src
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN pip install --no-cache-dir "/src[gpu,export,distributed]" && rm -r /src
RUN useradd --create-home --uid 1000 user && mkdir /here && chown user /here
USER 1000
WORKDIR /here
ENTRYPOINT ["vgg-cifar"]
CMD ["doctor"]
