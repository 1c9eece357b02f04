# What bench.sh measures of files: uploads and downloads of 1 MiB and 100 MiB one after the other, beside nginx,
# which puts the same bytes into a folder and gives them out of it, and asks nobody. Sourced.
#
# The file is a document, kept as it came. fynq writes it to its folder of uploads, looks at it, writes it to its
# storage and waits for the disk; nginx writes it once and does not wait.

# a_document BYTES FILE: something that begins and ends like a PDF.
a_document() {
  { printf '%%PDF-1.4\n' && head -c $(($1 - 16)) /dev/urandom && printf '%%%%EOF\n'; } >"$2"
}

peak_mib() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$1/status"; }

# repeated COUNT CURL-WORDS…: the same transfer so many times on one connection; gives MiB a second of SIZE.
repeated() {
  local count=$1 begun ended n words=()
  shift
  for ((n = 0; n < count; n++)); do
    [ "$n" -eq 0 ] || words+=(--next)
    words+=(-sS --fail --max-time "$limit" -o "$dir/answer.$n" "$@")
  done
  begun=$(date +%s%N)
  taskset -c "$load_cpu" curl "${words[@]}" 9>&- || return 1
  ended=$(date +%s%N)
  awk -v bytes="$size" -v count="$count" -v ns=$((ended - begun)) \
    'BEGIN { printf "%.1f\n", bytes * count / 1048576 / (ns / 1e9) }'
}

json() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }

median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

run_files() {
  local at name size count token round file url n fynq_up nginx_up fynq_down nginx_down
  command -v curl >/dev/null || die "files: curl is not installed"
  fynq_anew
  at=http://$fynq_at/api/v1
  token=$(curl -sS --fail "$at/auth/register" -H 'content-type: application/json' \
    -d '{"email":"files@bench.example","password":"correct horse battery"}' | json access_token)
  mkdir -p "$dir/www"
  chmod 777 "$dir/www"
  {
    echo "| files, $rounds rounds, median | fynq | nginx | ratio |"
    echo "|---|---|---|---|"
  } >"$dir/files"
  for name in "1 MiB" "100 MiB"; do
    size=$((${name% MiB} * 1048576))
    count=$((size > 1048576 ? 3 : 100))
    file=$dir/document
    a_document "$size" "$file"
    : >"$dir/fynq.up" >"$dir/fynq.down" >"$dir/nginx.up" >"$dir/nginx.down"
    for round in $(seq "$rounds"); do
      say "files: $name, round $round"
      repeated "$count" -H "authorization: Bearer $token" -F "file=@$file;type=application/pdf" "$at/files/upload" \
        >>"$dir/fynq.up" || failed=yes
      url=http://$fynq_at$(json url <"$dir/answer.0")
      # The others go again: the disk is not what is measured.
      for ((n = 1; n < count; n++)); do
        curl -sS --fail -X DELETE -H "authorization: Bearer $token" "$at/files/$(json id <"$dir/answer.$n")" || failed=yes
      done
      repeated "$count" "$url" >>"$dir/fynq.down" || failed=yes
      cmp -s "$file" "$dir/answer.0" || failed=yes
      if [ -n "$nginx" ]; then
        repeated "$count" -T "$file" "http://127.0.0.1:$nginx_port/files/document" >>"$dir/nginx.up" || failed=yes
        repeated "$count" "http://127.0.0.1:$nginx_port/files/document" >>"$dir/nginx.down" || failed=yes
        cmp -s "$file" "$dir/answer.0" || failed=yes
      fi
      rm -f "$dir"/answer.*
    done
    fynq_up=$(median <"$dir/fynq.up") fynq_down=$(median <"$dir/fynq.down")
    nginx_up=$(median <"$dir/nginx.up") nginx_down=$(median <"$dir/nginx.down")
    row "upload of $name, MiB/s" "$fynq_up" "$nginx_up"
    row "download of $name, MiB/s" "$fynq_down" "$nginx_down"
    row "peak memory after it, MiB" "$(peak_mib "$fynq_pid")" "$([ -z "$nginx" ] || peak_mib "$(pgrep -P "$nginx_pid")")"
  done
}

row() {
  awk -v what="$1" -v ours="$2" -v theirs="${3:-}" \
    'BEGIN { printf "| %s | %s | %s | %s |\n", what, ours, theirs, (theirs > 0 ? sprintf("%.2f", ours / theirs) : "") }' \
    >>"$dir/files"
}
