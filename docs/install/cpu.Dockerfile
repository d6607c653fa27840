# docker build -f docs/install/cpu.Dockerfile -t vgg-cifar .
# docker run --rm -v "$PWD:/here" vgg-cifar train --train-size 500 -b 50 -e 2 -o runs/first
FROM python:3.12-slim
COPY . /src
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN pip install --no-cache-dir "/src[export,distributed]" && rm -r /src
RUN useradd --create-home user && mkdir /here && chown user /here
USER user
WORKDIR /here
ENTRYPOINT ["vgg-cifar"]
CMD ["doctor"]
