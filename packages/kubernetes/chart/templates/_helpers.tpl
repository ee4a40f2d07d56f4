{{/* Labels of a part: lane-injector, lane-console, lane-gateway. */}}
{{- define "lane.labels" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: lane
{{- end -}}

{{/* What fits restricted Pod Security, and a root that nobody can write. */}}
{{- define "lane.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "lane.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "lane.pullSecrets" -}}
imagePullSecrets:
{{- range .Values.image.pullSecrets }}
  - name: {{ . }}
{{- end }}
{{- end -}}

{{/* How the console and the gateway reach Nacos. */}}
{{- define "lane.nacosEnv" -}}
- name: LANE_NACOS_SERVER
  value: {{ .Values.nacos.server | quote }}
{{- with .Values.nacos.namespace }}
- name: LANE_NACOS_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- with .Values.nacos.secret }}
- name: LANE_NACOS_USERNAME
  valueFrom:
    secretKeyRef: { name: {{ . }}, key: username }
- name: LANE_NACOS_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ . }}, key: password }
{{- end }}
{{- end -}}

{{/* Replicas on different nodes, where there are several. */}}
{{- define "lane.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: {{ . }}
{{- end -}}
