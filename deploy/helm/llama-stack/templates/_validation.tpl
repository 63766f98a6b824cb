{{- /* Says everything at once that the schema cannot. */}}
{{- define "llama-stack.validate" -}}
{{- $problems := list }}
{{- $server := fromYaml (include "llama-stack.server" .) }}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}

{{- if and (not .Values.existingConfigMap.name) (not .Values.runConfig) }}
{{- $problems = append $problems "runConfig is empty. Give a whole run.yaml, or name a ConfigMap in existingConfigMap.name." }}
{{- end }}
{{- range splitList " " (include "llama-stack.roundedNumbers" (dict "path" "runConfig" "value" .Values.runConfig) | trim) }}
{{- if . }}
{{- $problems = append $problems (printf "%s: Helm rounds numbers of more than 15 digits. Put it in quotes, or give runConfig as a string (`runConfig: |`)." .) }}
{{- end }}
{{- end }}
{{- range list "RUN_CONFIG_PATH" "LLAMA_STACK_CONFIG" }}
{{- if hasKey $.Values.env . }}
{{- $problems = append $problems (printf "env.%s: the chart mounts the run config and names it to the server. Change runConfig or existingConfigMap." .) }}
{{- end }}
{{- end }}
{{- if hasKey .Values.env "LLAMA_STACK_PORT" }}
{{- $problems = append $problems "env.LLAMA_STACK_PORT: set runConfig.server.port (or containerPort, with existingConfigMap), which Service and probes follow." }}
{{- end }}

{{- if and (eq .Values.stores "embedded") $several }}
{{- $problems = append $problems (printf "%s: embedded stores (SQLite, faiss, local files) serve one replica only. Move the state to PostgreSQL, S3 and a remote vector store (values-scaleout.yaml shows how) and set stores: shared." (ternary "autoscaling.enabled" (printf "replicas: %d" (int .Values.replicas)) .Values.autoscaling.enabled)) }}
{{- end }}
{{- if eq .Values.stores "shared" }}
{{- with include "llama-stack.embeddedBackends" . }}
{{- $problems = append $problems (printf "stores: shared, but runConfig keeps state in SQLite (storage.backends: %s). With the default runConfig set env.POSTGRES_HOST; otherwise point storage.stores at PostgreSQL." .) }}
{{- end }}
{{- if and .Values.persistence.enabled (not .Values.persistence.existingClaim) (not (has "ReadWriteMany" .Values.persistence.accessModes)) }}
{{- $problems = append $problems "stores: shared rolls pods side by side, which a ReadWriteOnce volume does not allow. Set persistence.enabled: false, or persistence.accessModes: [ReadWriteMany]." }}
{{- end }}
{{- end }}

{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}
{{- $problems = append $problems "caBundle: give configMap or secret, not both." }}
{{- end }}
{{- if and .Values.tls.secret (not .Values.existingConfigMap.name) (not $server.tls) }}
{{- $problems = append $problems "tls.secret: the run config does not use it. Set runConfig.server.tls_certfile: /etc/llama-stack-tls/tls.crt and tls_keyfile: /etc/llama-stack-tls/tls.key." }}
{{- end }}
{{- if and .Values.route.enabled (ne (include "llama-stack.openshift" .) "true") }}
{{- $problems = append $problems "route.enabled: this cluster is not OpenShift. Use ingress, or set openshift: true." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- $problems = append $problems "ingress.hosts is empty. Name at least one host." }}
{{- end }}
{{- if .Values.serviceMonitor.enabled }}
{{- $ports := list }}
{{- range .Values.service.extraPorts }}{{ $ports = append $ports .name }}{{ end }}
{{- if not (has .Values.serviceMonitor.port $ports) }}
{{- $problems = append $problems (printf "serviceMonitor: service.extraPorts has no port named %s. llama-stack 0.3.3 itself has nothing to scrape; see serviceMonitor.enabled in README.md." .Values.serviceMonitor.port) }}
{{- end }}
{{- end }}

{{- if $problems }}
{{- printf "\n\nThese values do not fit together:\n- %s\n" (join "\n- " $problems) | fail }}
{{- end }}
{{- end }}
