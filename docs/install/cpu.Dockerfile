# docker build -f docs/install/cpu.Dockerfile -t vgg-cifar .
# docker run --rm -v "$PWD:/here" vgg-cifar train --train-size 500 -b 50 -e 2 -o runs/first
FROM python:3.12-slim
COPY . /src
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN pip install --no-cache-dir "/src[export,distributed]" && rm -r /src
RUN useradd --create-home --uid 1000 user && mkdir /here && chown user /here
USER 1000
WORKDIR /here
ENTRYPOINT ["vgg-cifar"]
CMD ["doctor"]
