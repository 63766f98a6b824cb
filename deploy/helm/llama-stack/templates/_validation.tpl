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

{{- if lt (include "llama-stack.terminationGracePeriodSeconds" . | int) (include "llama-stack.shutdownSeconds" . | int) }}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds: %d, in which requests cannot have shutdownGraceSeconds: %d and the server end; at least %s are needed. Leave it empty, or lower shutdownGraceSeconds." (int .Values.terminationGracePeriodSeconds) (int .Values.shutdownGraceSeconds) (include "llama-stack.shutdownSeconds" .)) }}
{{- end }}

{{- range splitList "\n" (include "llama-stack.accessProblems" . | trim) }}
{{- if . }}{{ $problems = append $problems . }}{{ end }}
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
{{- $problems = append $problems (printf "serviceMonitor: service.extraPorts has no port named %s. llama-stack itself has nothing to scrape; see serviceMonitor.enabled in README.md." .Values.serviceMonitor.port) }}
{{- end }}
{{- end }}

{{- if not (regexMatch "^[a-z]" (include "llama-stack.fullname" .)) }}
{{- $problems = append $problems (printf "release name %s: a Service's name begins with a letter. Choose another, or set fullnameOverride." .Release.Name) }}
{{- end }}
{{- $chartLabels := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- range $where, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels "verification.podLabels" .Values.verification.podLabels }}
{{- range $key := keys (default dict $labels) | sortAlpha }}
{{- if has $key $chartLabels }}
{{- $problems = append $problems (printf "%s: %s is the chart's, which finds its pods by such labels. Choose another key; nameOverride changes app.kubernetes.io/name." $where $key) }}
{{- end }}
{{- end }}
{{- end }}

{{- $names := list "llama-stack" "verify" "ca-bundle" }}
{{- range concat (default list .Values.extraInitContainers) (default list .Values.extraContainers) }}
{{- if has .name $names }}
{{- $problems = append $problems (printf "extraInitContainers, extraContainers: a container named %s is there already. Choose another name." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- $volumes := list "run-config" "tmp" "data" "private-ca" "ca-bundle" "tls" "secrets" }}
{{- range .Values.extraVolumes }}
{{- if has .name $volumes }}
{{- $problems = append $problems (printf "extraVolumes: a volume named %s is there already. Choose another name." .name) }}
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $paths := list "/etc/llama-stack" "/data" "/tmp" "/etc/ca-bundle" "/etc/llama-stack-tls" "/etc/llama-stack-secrets" }}
{{- range .Values.extraVolumeMounts }}
{{- if not (has .name $volumes) }}
{{- $problems = append $problems (printf "extraVolumeMounts: extraVolumes has no volume named %s." .name) }}
{{- end }}
{{- $path := clean .mountPath }}
{{- if has $path $paths }}
{{- $problems = append $problems (printf "extraVolumeMounts: something is mounted at %s already. Choose another mountPath." $path) }}
{{- end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- $ports := list .Values.service.port }}
{{- $portNames := list "http" }}
{{- range .Values.service.extraPorts }}
{{- if or (has .name $portNames) (has .port $ports) }}
{{- $problems = append $problems (printf "service.extraPorts: a port named %s or of number %v is there already." .name .port) }}
{{- end }}
{{- $ports = append $ports .port }}
{{- $portNames = append $portNames .name }}
{{- end }}

{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- $problems = append $problems (printf "autoscaling: minReplicas %d is more than maxReplicas %d." (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage) }}
{{- $problems = append $problems "autoscaling: neither targetCPUUtilizationPercentage nor targetMemoryUtilizationPercentage is set, so it has nothing to go by." }}
{{- end }}
{{- $requests := default dict $.Values.resources.requests }}
{{- range $resource, $target := dict "cpu" .targetCPUUtilizationPercentage "memory" .targetMemoryUtilizationPercentage }}
{{- if and $target (not (hasKey $requests $resource)) }}
{{- $problems = append $problems (printf "autoscaling: a target in percent of the %s request needs resources.requests.%s." $resource $resource) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Not where the chart cannot read the run config. */}}
{{- if and .Values.route.enabled .Values.route.termination (fromYaml (include "llama-stack.parsedRunConfig" .)) }}
{{- if ne $server.tls (ne .Values.route.termination "edge") }}
{{- $problems = append $problems (printf "route.termination: %s, but the server has %s. Leave it empty to have what fits." .Values.route.termination (ternary "TLS" "no TLS" $server.tls)) }}
{{- end }}
{{- end }}

{{- if $problems }}
{{- printf "\n\nThese values do not fit together:\n- %s\n" (join "\n- " $problems) | fail }}
{{- end }}
{{- end }}
