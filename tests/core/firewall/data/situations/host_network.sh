# ports: 22 8000 8001
# A container in the host's own network is behind ufw, a published one is not; a compose-like network has its own bridge.
ufw allow 22/tcp; ufw --force enable
docker network create coolify
docker run -d --name bare --network host registry.lab:5000/library/tiny:1 httpd -f -p 8000 -h /www
docker run -d --name web --network coolify -p 8001:8080 registry.lab:5000/library/tiny:1 httpd -f -p 8080 -h /www
