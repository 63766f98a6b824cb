{{- /* The run config as text: a string as it is, a map as YAML. */}}
{{- define "llama-stack.runConfig" -}}
{{- if kindIs "string" .Values.runConfig }}{{ .Values.runConfig }}{{ else }}{{ include "llama-stack.runConfigWithPolicy" . }}
{{ end }}
{{- end }}

{{- /*
The name changes with the content. While pods of two revisions run side by side, each keeps the config that it
started with, also when it restarts.
*/}}
{{- define "llama-stack.configMapName" -}}
{{- if .Values.existingConfigMap.name }}
{{- .Values.existingConfigMap.name }}
{{- else }}
{{- printf "%s-run-config-%s" (include "llama-stack.fullname" .) (include "llama-stack.runConfig" . | sha256sum | trunc 8) }}
{{- end }}
{{- end }}

{{- /* The run config as a map, in YAML; empty where the chart cannot read it. Verification says why. */}}
{{- define "llama-stack.parsedRunConfig" -}}
{{- $config := .Values.runConfig }}
{{- if .Values.existingConfigMap.name }}
{{- $config = dict }}
{{- else if kindIs "string" $config }}
{{- $config = fromYaml $config }}
{{- if hasKey $config "Error" }}{{ $config = dict }}{{ end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* What the run config says of the server: a map with `port`, `tls`, `clientCertificates` and `quota`. */}}
{{- define "llama-stack.server" -}}
{{- $config := fromYaml (include "llama-stack.parsedRunConfig" .) }}
{{- $server := dict }}
{{- if kindIs "map" $config.server }}{{ $server = $config.server }}{{ end }}
{{- $port := 8321 }}
{{- if .Values.containerPort }}
{{- $port = .Values.containerPort }}
{{- else if and $server.port (not (kindIs "string" $server.port)) }}
{{- $port = $server.port }}
{{- end }}
{{- dict
  "port" (int $port)
  "tls" (and $server.tls_certfile $server.tls_keyfile | not | not)
  "clientCertificates" ($server.tls_cafile | not | not)
  "quota" ($server.quota | not | not)
  | toYaml }}
{{- end }}

{{- /* What answers a probe, as YAML. */}}
{{- define "llama-stack.probeHandler" -}}
{{- $server := fromYaml (include "llama-stack.server" .) }}
{{- $handler := .Values.probes.handler }}
{{- if eq $handler "auto" }}
{{- if or $server.clientCertificates $server.quota }}{{ $handler = "tcp" }}
{{- else if $server.tls }}{{ $handler = "https" }}
{{- else }}{{ $handler = "http" }}
{{- end }}
{{- end }}
{{- if eq $handler "tcp" -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: /v1/health
  port: http
  scheme: {{ upper $handler }}
{{- end }}
{{- end }}

{{- /*
The storage backends in use that are SQLite, as far as can be told here: `${env.NAME:+text}` is `text` where `env` has
NAME, and nothing otherwise, unless `existingSecret` might have it.
*/}}
{{- define "llama-stack.embeddedBackends" -}}
{{- $config := fromYaml (include "llama-stack.parsedRunConfig" .) }}
{{- $storage := ternary $config.storage dict (kindIs "map" $config.storage) }}
{{- $stores := ternary $storage.stores dict (kindIs "map" $storage.stores) }}
{{- $backends := ternary $storage.backends dict (kindIs "map" $storage.backends) }}
{{- $found := dict }}
{{- range $store, $reference := $stores }}
{{- $name := "" }}
{{- if kindIs "map" $reference }}{{ $name = toString $reference.backend }}{{ end }}
{{- range regexFindAll "\\$\\{env\\.[A-Z0-9_]+:\\+[^}]*\\}" $name -1 }}
{{- $variable := regexReplaceAll "^\\$\\{env\\.([A-Z0-9_]+).*$" . "${1}" }}
{{- $text := regexReplaceAll "^.*:\\+([^}]*)\\}$" . "${1}" }}
{{- $value := get $.Values.env $variable }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- $name = replace . $text $name }}
{{- else if get (default dict $.Values.secretFiles) $variable }}
{{- $name = replace . $text $name }}
{{- else if not $.Values.existingSecret }}
{{- $name = replace . "" $name }}
{{- end }}
{{- end }}
{{- $backend := get $backends $name }}
{{- if kindIs "map" $backend }}
{{- if hasSuffix "_sqlite" (toString $backend.type) }}{{ $_ := set $found $name true }}{{ end }}
{{- end }}
{{- end }}
{{- keys $found | sortAlpha | join ", " }}
{{- end }}

{{- /* The paths in the run config of numbers that Helm has rounded, as text. */}}
{{- define "llama-stack.roundedNumbers" -}}
{{- $path := .path }}
{{- if kindIs "map" .value }}
{{- range $key, $value := .value }}
{{- include "llama-stack.roundedNumbers" (dict "path" (printf "%s.%s" $path $key) "value" $value) }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $index, $value := .value }}
{{- include "llama-stack.roundedNumbers" (dict "path" (printf "%s[%d]" $path $index) "value" $value) }}
{{- end }}
{{- else if kindIs "float64" .value }}
{{- if or (ge .value 9007199254740992.0) (le .value -9007199254740992.0) }}{{ $path }} {{ end }}
{{- end }}
{{- end }}
