"""What is read and changed on a server, a folder for each subject with its script beside it; sent by way of `ssh`."""
