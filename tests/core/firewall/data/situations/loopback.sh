# ports: 22 8000 8001 9000 9001 9002
# What is bound to the loopback, to one address or to one family is not reachable by the others.
docker run -d --name web -p 127.0.0.1:8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
docker run -d --name private -p $HOST_NET.11:8001:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
busybox httpd -p 127.0.0.1:9000 -h /tmp; busybox httpd -p $HOST_NET.11:9001 -h /tmp
busybox httpd -p 0.0.0.0:9002 -h /tmp
