from django.db import models


class Greeting(models.Model):
    name = models.CharField(max_length=100)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return f"Hello, {self.name}!"
