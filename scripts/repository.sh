#!/bin/sh
# Lays the packages of dist/ out as an apt repository, signed by a key of
# GnuPG's key ring: what `apt-get install lucid-agent` reads over HTTPS.
# Usage: repository.sh FOLDER KEY_ID
set -eu
[ $# -eq 2 ] || { echo "usage: $0 FOLDER KEY_ID" >&2; exit 2; }
folder=$1 key=$2
source=$(cd "$(dirname "$0")/../dist" && pwd)
for program in apt-ftparchive gpg; do
	command -v "$program" >/dev/null || { echo "$program is missing: apt-get install apt-utils gnupg" >&2; exit 1; }
done
mkdir -p "$folder/pool/main"
cp "$source"/*.deb "$folder/pool/main/"
cd "$folder"
for arch in amd64 arm64 armhf; do
	index=dists/stable/main/binary-$arch
	mkdir -p "$index"
	apt-ftparchive --arch "$arch" packages pool/main >"$index/Packages"
	gzip -9kf "$index/Packages"
done
apt-ftparchive -o APT::FTPArchive::Release::Origin=Lucid -o APT::FTPArchive::Release::Suite=stable \
	-o APT::FTPArchive::Release::Codename=stable -o APT::FTPArchive::Release::Components=main \
	-o "APT::FTPArchive::Release::Architectures=amd64 arm64 armhf" release dists/stable >Release.new
mv Release.new dists/stable/Release
gpg --batch --yes --local-user "$key" --clearsign --output dists/stable/InRelease dists/stable/Release
gpg --batch --yes --export "$key" >lucid-archive-keyring.gpg
