# What bench.sh measures of files: uploads and downloads of 1 MiB and 100 MiB, one after the other on one
# connection, beside nginx, which puts the same bytes into a folder and gives them out of it, and asks nobody.
# Sourced.
#
# The file is a document, kept as it came. fynq reads a form, writes it to its folder of uploads, looks at it,
# hashes it, writes it to its storage, and waits for the disk and for two commits; nginx's PUT writes the body to
# a file, renames it, and waits for nothing.

# a_document BYTES FILE: something that begins and ends like a PDF.
a_document() {
  { printf '%%PDF-1.4\n' && head -c $(($1 - 16)) /dev/urandom && printf '\n%%%%EOF\n'; } >"$2"
}

json() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }

# moved NAME PID COUNT CURL-WORDS…: the same transfer so many times on one connection. Adds a line to DIR/NAME:
# MiB a second of $size, and the most memory that the process had meanwhile, in MiB.
moved() {
  local name=$1 process=$2 count=$3 begun ended n words=()
  shift 3
  for ((n = 0; n < count; n++)); do
    [ "$n" -eq 0 ] || words+=(--next)
    # Asked first, a server would have to be waited for; both take what comes.
    words+=(-sS --fail --max-time "$limit" -H 'expect:' -o "$dir/answer.$n" "$@")
  done
  if [[ $name == *.down ]]; then words=("${words[@]//$dir\/answer.*/\/dev\/null}"); fi
  # Forgets the most that there was; without that right the figure is the most since the start.
  echo 5 2>/dev/null >"/proc/$process/clear_refs" || true
  begun=$(date +%s%N)
  taskset -c "$load_cpu" curl "${words[@]}" 9>&- || return 1
  ended=$(date +%s%N)
  awk -v bytes="$size" -v count="$count" -v ns=$((ended - begun)) \
    '/^VmHWM/ { printf "%.1f %.1f\n", bytes * count / 1048576 / (ns / 1e9), $2 / 1024 }' \
    "/proc/$process/status" >>"$dir/$name"
}

# files_row TITLE WAY FIELD: fynq's median, nginx's, and the median of the rounds' ratios with least and most.
files_row() {
  local theirs=/dev/null
  [ ! -s "$dir/nginx.$2" ] || theirs=$dir/nginx.$2
  paste -d ' ' "$dir/fynq.$2" "$theirs" | awk -v title="$1" -v field="$3" '
    function median(of, n,    i, j, t) {
      for (i = 2; i <= n; i++) for (j = i; j > 1 && of[j - 1] > of[j]; j--) { t = of[j]; of[j] = of[j - 1]; of[j - 1] = t }
      return n % 2 ? of[(n + 1) / 2] : (of[n / 2] + of[n / 2 + 1]) / 2
    }
    { ours[++n] = $field; if (NF > 2) { peer[n] = $(field + 2); ratio[n] = $field / peer[n]; beside = 1 } }
    END {
      printf "| %s | %.1f |", title, median(ours, n)
      if (!beside) { print " | |"; exit }
      printf " %.1f | %.2f (%.2f to %.2f) |\n", median(peer, n), median(ratio, n), ratio[1], ratio[n]
    }' >>"$dir/files"
}

run_files() {
  local at name size count token round file url n nginx_worker=
  command -v curl >/dev/null || die "files: curl is not installed"
  # The words of documents are read later, by whoever does tasks: that is not what is measured.
  fynq_anew FYNQ_WORKER=off FYNQ_FILE_BYTES=209715200 FYNQ_FILES_USER_BYTES=8589934592
  at=http://$fynq_at/api/v1
  token=$(curl -sS --fail "$at/auth/register" -H 'content-type: application/json' \
    -d "{\"email\":\"files@bench.example\",\"password\":\"$BENCH_ADMIN_PASSWORD\"}" | json access_token)
  [ -n "$token" ] || die "files: nobody could sign up"
  mkdir "$dir/www"
  chmod 777 "$dir/www"
  if [ -n "$nginx" ]; then nginx_worker=$(pgrep -P "$nginx_pid"); fi
  {
    echo "| files, one after the other, $rounds rounds | fynq | nginx | of nginx |"
    echo "|---|---|---|---|"
  } >"$dir/files"
  for name in "1 MiB" "100 MiB"; do
    size=$((${name% MiB} * 1048576))
    count=$((size > 1048576 ? 3 : 100))
    file=$dir/document
    a_document "$size" "$file"
    rm -f "$dir"/{fynq,nginx}.{up,down}
    for round in $(seq "$rounds"); do
      say "files: $name, round $round"
      moved fynq.up "$fynq_pid" "$count" -H "authorization: Bearer $token" \
        -F "file=@$file;type=application/pdf" "$at/files/upload" || failed=yes
      url=http://$fynq_at$(json url <"$dir/answer.0")
      curl -sS --fail "$url" | cmp -s - "$file" || failed=yes
      moved fynq.down "$fynq_pid" "$count" "$url" || failed=yes
      # They go again: how much room there is on the disk is not what is measured.
      for ((n = 0; n < count; n++)); do
        curl -sS --fail -X DELETE -H "authorization: Bearer $token" "$at/files/$(json id <"$dir/answer.$n")" || failed=yes
      done
      if [ -n "$nginx" ]; then
        url=http://127.0.0.1:$nginx_port/files/document
        if [ -n "$nginx_puts" ]; then
          moved nginx.up "$nginx_worker" "$count" -T "$file" "$url" || failed=yes
        else
          cp "$file" "$dir/www/document"
        fi
        curl -sS --fail "$url" | cmp -s - "$file" || failed=yes
        moved nginx.down "$nginx_worker" "$count" "$url" || failed=yes
      fi
      rm -f "$dir"/answer.*
    done
    [ -s "$dir/fynq.up" ] && [ -s "$dir/fynq.down" ] || die "files: nothing was measured"
    files_row "upload of $name, MiB/s" up 1
    files_row "… peak memory meanwhile, MiB" up 2
    files_row "download of $name, MiB/s" down 1
    files_row "… peak memory meanwhile, MiB" down 2
  done
}
