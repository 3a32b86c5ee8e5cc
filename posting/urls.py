"""The senders' pages."""

from django.urls import path

from posting import views

urlpatterns = [
    path("senders/sign-in/", views.sign_in, name="sender_sign_in"),
    path("senders/sign-out/", views.sign_out, name="sender_sign_out"),
    path("senders/lost-password/", views.lost_password, name="lost_password"),
    path("senders/lost-password/sent/", views.lost_password_sent, name="lost_password_sent"),
    path("senders/", views.posts, name="sender_posts"),
    path("senders/write/", views.compose, name="compose"),
    path("senders/posts/<int:pk>/", views.post_page, name="sender_post"),
    path("senders/posts/<int:pk>/edit/", views.edit, name="edit_post"),
    path("senders/posts/<int:pk>/files/<int:position>/", views.post_file, name="post_file"),
    path("senders/posts/<int:pk>/submit/", views.submit, name="submit_post"),
    path("senders/posts/<int:pk>/withdraw/", views.withdraw, name="withdraw_post"),
    path("senders/posts/<int:pk>/test/", views.test, name="test_post"),
]
