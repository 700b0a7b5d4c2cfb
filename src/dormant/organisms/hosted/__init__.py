"""Finetuning behind an API, where every call that creates something may cost money.

::

    journal         what is about to be created, written before each call
    creation        creates each file and job once, through kills and lost replies
    finetuning_api  files, jobs, events and checkpoints of OpenAI's finetuning API
    api_errors      what the API says, as errors for the user
    served_base     the server of a base, and the file that names the finetuned model
    openai_trainer  OpenaiTrainer: a job for each stage
    tinker_journal  runs, steps and checkpoints of a training that is driven from here
    tinker_api      runs of Tinker's service, through its SDK
    tinker_trainer  TinkerTrainer: steps that are sent one by one
"""
