{{- define "scrapeway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "scrapeway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "scrapeway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "scrapeway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "scrapeway.selector" -}}
app.kubernetes.io/name: {{ include "scrapeway.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "scrapeway.labels" -}}
{{ include "scrapeway.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "scrapeway.imageOf" -}}
{{- if .image.digest -}}{{ .image.repository }}@{{ .image.digest }}{{- else -}}{{ .image.repository }}:{{ default .defaultTag .image.tag }}{{- end -}}
{{- end -}}

{{- define "scrapeway.image" -}}
{{- include "scrapeway.imageOf" (dict "image" .Values.image "defaultTag" .Chart.AppVersion) -}}
{{- end -}}

{{- define "scrapeway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "scrapeway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* The pod's folder that no other mount lies in; Envoy and the gateway find their sockets there. Its own subfolder, because the
gateway makes it 0700 and may not change the volume's own mode. */}}
{{- define "scrapeway.runtimeDir" -}}/run/scrapeway/sockets{{- end -}}

{{- define "scrapeway.gatewayConfig" -}}
{{- $gateway := .Values.gateway -}}
{{- if not (or $gateway.config.tenants .Values.kubernetes.enabled) }}{{ fail "gateway.config.tenants: at least one tenant is needed (or give gateway.existingSecret or gateway.existingConfigMap, or kubernetes.enabled)" }}{{ end -}}
{{- $fullname := include "scrapeway.fullname" . -}}
{{- $own := list $fullname (printf "%s.%s" $fullname .Release.Namespace) (printf "%s.%s.svc" $fullname .Release.Namespace) (printf "%s.%s.svc.cluster.local" $fullname .Release.Namespace) -}}
{{- $scrapeTls := include "scrapeway.doorTls" (dict "gateway" $gateway "door" "scrape" "caFolder" "clients-ca") | fromYaml -}}
{{- $agentsTls := include "scrapeway.doorTls" (dict "gateway" $gateway "door" "agents" "caFolder" "agents-ca") | fromYaml -}}
{{- $config := deepCopy $gateway.config -}}
{{- $_ := set $config "gateway" (dict "names" (concat $gateway.names $own | uniq)) -}}
{{- $_ := set $config "listeners" (dict
      "scrape" (dict "address" (printf "%s:%d" $gateway.listenAddress (int $gateway.ports.scrape)) "tls" $scrapeTls)
      "agents" (dict "address" (printf "%s:%d" $gateway.listenAddress (int $gateway.ports.agents)) "tls" $agentsTls)) -}}
{{- $_ := set $config "runtimeDir" (include "scrapeway.runtimeDir" .) -}}
{{- $_ := set $config "dataThreads" (int $gateway.dataThreads) -}}
{{- $_ := set $config "metrics" (dict "address" (printf "%s:%d" $gateway.listenAddress (int $gateway.ports.metrics))) -}}
{{- if $gateway.exports.enabled }}
{{- if and (or (gt (int $gateway.replicas) 1) $gateway.autoscaling.enabled) (not .Values.kubernetes.enabled) }}{{ fail "gateway.exports: with more than one replica, kubernetes.enabled is needed: the holder of its Lease exports, and nobody else" }}{{ end -}}
{{- $_ := set $config "exports" (dict "folder" "/var/lib/scrapeway/exports") -}}
{{- end -}}
{{- if .Values.kubernetes.enabled }}
{{- $k := .Values.kubernetes -}}
{{- $block := dict "namespace" .Release.Namespace "objects" $k.objects "status" $k.status "leaseName" (include "scrapeway.leaseName" .) "clusterDomain" $k.clusterDomain "rememberFor" $k.rememberFor -}}
{{- with $k.objectNamespaces }}{{ $_ := set $block "objectNamespaces" . }}{{ end -}}
{{- if $k.metricAccess.enabled }}
{{- $access := dict "withoutTerms" $k.metricAccess.withoutTerms "secrets" $k.metricAccess.secrets -}}
{{- with $k.metricAccess.namespaces }}{{ $_ := set $access "namespaces" . }}{{ end -}}
{{- $_ := set $block "metricAccess" $access -}}
{{- end -}}
{{- if $k.tokenReview.enabled }}{{ $_ := set $block "tokenReview" (dict "audiences" $k.tokenReview.audiences "tenantFromNamespace" $k.tokenReview.tenantFromNamespace) }}{{ end -}}
{{- $_ := set $config "kubernetes" $block -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* One door's `tls` in the file: Secrets by the API, or what is mounted of them. A CA in a ConfigMap is always mounted. dict gateway, door, caFolder */}}
{{- define "scrapeway.doorTls" -}}
{{- $tls := .gateway.tls -}}
{{- $own := index $tls .door -}}
{{- $secret := default $tls.scrape.secretName $own.secretName -}}
{{- $out := dict -}}
{{- if eq $tls.source "api" -}}
{{- $_ := set $out "secret" (dict "name" $secret) -}}
{{- else -}}
{{- $_ := set $out "certFile" (printf "/etc/scrapeway/tls/%s/tls.crt" .door) -}}
{{- $_ := set $out "keyFile" (printf "/etc/scrapeway/tls/%s/tls.key" .door) -}}
{{- end -}}
{{- if and (eq $tls.source "api") $own.clientCa.secretName -}}
{{- $_ := set $out "clientCaSecrets" (list (dict "name" $own.clientCa.secretName "key" $own.clientCa.key)) -}}
{{- else if or $own.clientCa.secretName $own.clientCa.configMapName -}}
{{- $_ := set $out "clientCaFiles" (list (printf "/etc/scrapeway/tls/%s/%s" .caFolder $own.clientCa.key)) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{/* "true" where a CA is mounted. dict tls, ca */}}
{{- define "scrapeway.mountsCa" -}}
{{- if or .ca.configMapName (and .ca.secretName (ne .tls.source "api")) }}true{{ end -}}
{{- end -}}

{{/* The Secrets of the doors that are read by the API, as YAML under `names`. */}}
{{- define "scrapeway.doorSecrets" -}}
{{- $tls := .Values.gateway.tls -}}
{{- $names := list -}}
{{- if eq $tls.source "api" -}}
{{- $names = list $tls.scrape.secretName $tls.agents.secretName $tls.scrape.clientCa.secretName $tls.agents.clientCa.secretName | compact | uniq -}}
{{- end -}}
{{- dict "names" $names | toYaml -}}
{{- end -}}

{{- define "scrapeway.leaseName" -}}{{ include "scrapeway.fullname" . }}{{- end -}}

{{- define "scrapeway.agentConfig" -}}
{{- $agent := .Values.agent -}}
{{- if not $agent.config.gateways }}{{ fail "agent.config.gateways: at least one address is needed (or give agent.existingSecret or agent.existingConfigMap)" }}{{ end -}}
{{- $config := deepCopy $agent.config -}}
{{- $_ := set $config "tls" (dict "certFile" "/etc/scrapeway/tls/agent/tls.crt" "keyFile" "/etc/scrapeway/tls/agent/tls.key" "caFile" "/etc/scrapeway/tls/agent/ca.crt") -}}
{{- $_ := set $config "metrics" (dict "address" (printf "%s:%d" $agent.listenAddress (int $agent.ports.metrics))) -}}
{{- if and $config.push (not $agent.push.enabled) }}{{ fail "agent.config.push: needs agent.push.enabled" }}{{ end -}}
{{- if $agent.push.enabled }}
{{- if not $config.push }}{{ fail "agent.push.enabled: agent.config.push is needed (or give agent.existingSecret or agent.existingConfigMap)" }}{{ end -}}
{{- $_ := set $config.push "address" (printf "%s:%d" $agent.listenAddress (int $agent.ports.push)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Volume with the configuration file. dict root, component, values */}}
{{- define "scrapeway.configVolume" -}}
{{- if and .values.existingSecret .values.existingConfigMap }}{{ fail (printf "%s: existingSecret and existingConfigMap exclude each other" .component) }}{{ end -}}
- name: config
{{- if .values.existingConfigMap }}
  configMap: { name: {{ .values.existingConfigMap | quote }}, items: [{ key: {{ .component }}.yaml, path: {{ .component }}.yaml }] }
{{- else }}
  secret: { secretName: {{ default (printf "%s-%s" (include "scrapeway.fullname" .root) .component) .values.existingSecret | quote }}, items: [{ key: {{ .component }}.yaml, path: {{ .component }}.yaml }], defaultMode: 0440 }
{{- end }}
{{- range .values.secretMounts }}
- name: {{ printf "secret-%s" .name | quote }}
  secret: { secretName: {{ .secretName | quote }}, defaultMode: 0440 }
{{- end }}
{{- end -}}

{{- define "scrapeway.configMounts" -}}
- { name: config, mountPath: /etc/scrapeway/config, readOnly: true }
{{- range .values.secretMounts }}
- { name: {{ printf "secret-%s" .name | quote }}, mountPath: {{ printf "/etc/scrapeway/secrets/%s" .name | quote }}, readOnly: true }
{{- end }}
{{- end -}}

{{/* Source of a CA, whose key is public. dict ca */}}
{{- define "scrapeway.caVolume" -}}
{{- if and .ca.secretName .ca.configMapName }}{{ fail "clientCa: secretName and configMapName exclude each other" }}{{ end -}}
{{- if .ca.configMapName -}}
configMap: { name: {{ .ca.configMapName | quote }}, items: [{ key: {{ .ca.key | quote }}, path: {{ .ca.key | quote }} }] }
{{- else -}}
secret: { secretName: {{ .ca.secretName | quote }}, items: [{ key: {{ .ca.key | quote }}, path: {{ .ca.key | quote }} }] }
{{- end -}}
{{- end -}}

{{/* What is placed where in the cluster. dict root, component, values */}}
{{- define "scrapeway.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What the gateway's image reads, at its start (bootstrap) and after. */}}
{{- define "scrapeway.gatewayMounts" -}}
{{- $tls := .Values.gateway.tls -}}
- { name: runtime, mountPath: /run/scrapeway }
{{- if ne $tls.source "api" }}
- { name: tls-scrape, mountPath: /etc/scrapeway/tls/scrape, readOnly: true }
- { name: tls-agents, mountPath: /etc/scrapeway/tls/agents, readOnly: true }
{{- end }}
{{- if include "scrapeway.mountsCa" (dict "tls" $tls "ca" $tls.agents.clientCa) }}
- { name: agents-ca, mountPath: /etc/scrapeway/tls/agents-ca, readOnly: true }
{{- end }}
{{- if include "scrapeway.mountsCa" (dict "tls" $tls "ca" $tls.scrape.clientCa) }}
- { name: clients-ca, mountPath: /etc/scrapeway/tls/clients-ca, readOnly: true }
{{- end }}
{{ include "scrapeway.configMounts" (dict "values" .Values.gateway) }}
{{- end -}}
