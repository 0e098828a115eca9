# ports: 22 80 8000 9000
systemctl start firewalld
firewall-cmd --zone=public --add-service=http
firewall-cmd --zone=trusted --add-source=203.0.113.66
firewall-cmd --zone=public --add-rich-rule='rule family="ipv4" source address="10.0.0.0/8" port port="9000" protocol="tcp" accept'
systemctl restart docker
docker run -d --name web -p 8000:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
busybox httpd -p 80 -h /tmp; busybox httpd -p 9000 -h /tmp
