# ports: 22 8000 9000
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
busybox httpd -p 9000 -h /tmp
